"""What gateways say of calls after they were counted: corrections, each a row of its own."""
