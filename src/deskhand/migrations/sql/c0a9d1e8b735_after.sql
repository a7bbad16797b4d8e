CREATE OR REPLACE FUNCTION public.session_companies()
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  v_scope text := coalesce(current_setting('app.companies', true), '');
  v_proof text := current_setting('app.companies_proof', true);
  v_end text := split_part(v_proof, '.', 1);
  -- No tenant's name has a blank, so tenant and scope cannot run into each other.
  v_said bytea := convert_to(v_end || '.companies.' || coalesce(current_setting('app.current_tenant_id', true), '')
                             || ' ' || v_scope, 'UTF8');
BEGIN
  IF v_scope = '' THEN
    RETURN '{}';
  END IF;
  PERFORM 1 FROM public.proof_keys k
    WHERE encode(sha256(k.outer_pad || sha256(k.inner_pad || v_said)), 'hex') = split_part(v_proof, '.', 3);
  IF FOUND THEN
    IF v_end COLLATE "C" <= to_char(extract(epoch FROM now()), 'FM0000000000') THEN
      RETURN '{}';
    END IF;
  ELSE
    PERFORM 1 FROM public.proof_keys;
    IF FOUND THEN
      RETURN '{}';
    END IF;
  END IF;
  RETURN ARRAY(SELECT jsonb_array_elements_text(v_scope::jsonb));
END
$function$
;;
REVOKE ALL ON FUNCTION session_companies() FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION session_companies() TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION session_companies() OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
