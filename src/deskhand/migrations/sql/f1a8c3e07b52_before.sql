DROP FUNCTION tenants_to_notify(integer)
;;
DROP FUNCTION approving_members()
