"""What a tenant knows, to look through and to mend: articles, solved tickets, and the search over both."""
