DROP FUNCTION session_companies()
