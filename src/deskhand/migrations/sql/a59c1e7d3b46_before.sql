DROP FUNCTION note_fact(text, text, text, text, uuid, uuid, text)
;;
DROP FUNCTION note_run()
;;
DROP FUNCTION note_approval()
;;
DROP FUNCTION note_budget()
;;
DROP FUNCTION note_schedule()
;;
DROP FUNCTION tenants_to_tell(integer)
;;
DROP FUNCTION members_to_tell()
