"""A trigger's ``payload_schema``: what may be saved (``rules``), and whether an event fits it (``holding``)."""
