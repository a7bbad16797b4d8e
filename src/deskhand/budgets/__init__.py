"""What models may cost: budgets, reserved before each call and settled after it."""
