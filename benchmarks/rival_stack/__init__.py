"""What a competent team writes itself: FastAPI, Celery, Redis. See ``README.md``."""
