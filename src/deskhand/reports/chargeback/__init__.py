"""What to charge to whom: a month of the ledger by contract and client company."""
