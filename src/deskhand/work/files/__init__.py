"""What the files on a ticket say: logs, documents and screenshots, as evidence beside what people wrote."""
