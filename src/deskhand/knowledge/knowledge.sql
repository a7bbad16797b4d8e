-- How alike two embeddings are: the inner product, which is the cosine for the unit vectors we store, and NULL for
-- vectors of different models. A server has one of the two; migrations decide by whether it has pgvector (the schema of
-- the extension is written out, since a function that is inlined has no search_path of its own).
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- with the extension vector
CREATE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pg_catalog.cardinality(a) OPERATOR(pg_catalog.=) pg_catalog.cardinality(b)
                THEN (OPERATOR(pg_catalog.-) (a::public.vector OPERATOR(public.<#>) b::public.vector))::real
                END
$$;

-- without the extension vector
CREATE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, public AS $$
    SELECT CASE WHEN cardinality(a) = cardinality(b) THEN ((SELECT sum(x * y) FROM unnest(a, b) AS t(x, y)))::real END
$$;
