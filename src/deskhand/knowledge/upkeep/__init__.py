"""What keeps knowledge fresh by itself: imports as jobs, events of solved tickets, a look each night."""
