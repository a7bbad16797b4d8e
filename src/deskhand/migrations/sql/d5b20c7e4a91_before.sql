DROP FUNCTION budget_stop(numeric, integer, numeric, timestamp with time zone)
;;
DROP FUNCTION budget_period_start(text, text)
;;
DROP FUNCTION reserve_spending(uuid, uuid, text, text, numeric, bigint, double precision)
;;
DROP FUNCTION settle_spending(uuid, numeric, integer, integer)
;;
DROP FUNCTION release_spending(uuid)
