"""The template's own tests: what is asked, what is rendered, and whether it works."""
