"""What a run does outside its desks: posts to chats, signed webhooks, calls of allowed hosts."""
