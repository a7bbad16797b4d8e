"""What people are told of by themselves: facts, gathered into messages, each to whoever wants it."""
