DROP FUNCTION keep_failure()
