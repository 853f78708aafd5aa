"""Evidence stores: all give the same CID for the same content."""
