DROP FUNCTION queue_depth()
