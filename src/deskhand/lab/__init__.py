"""The replay lab: closed tickets rebuilt as they looked when they came, an agent's version run dry on each, and what it
said set beside what people did.
"""
