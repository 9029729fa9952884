"""Pages, one blueprint for each part of the site."""
