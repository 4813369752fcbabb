"""What must not become slow, measured against the bare tools and the released peers; see README.md."""
