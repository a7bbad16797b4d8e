"""What runs cost and how they went: figures over a range of days, for pages, the API and spreadsheets."""
