DROP FUNCTION tenants_due_history(integer)
;;
DROP FUNCTION tenants_to_refresh(integer)
;;
DROP FUNCTION claim_knowledge_job(double precision)
;;
DROP FUNCTION find_desk_secret(text, text)
;;
DROP FUNCTION touch_history(jsonb)
