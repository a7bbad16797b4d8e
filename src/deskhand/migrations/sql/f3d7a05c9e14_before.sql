DROP FUNCTION find_approval_link(bytea)
