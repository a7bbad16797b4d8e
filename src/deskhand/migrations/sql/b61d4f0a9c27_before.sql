DROP FUNCTION tenants_in_lab(integer)
