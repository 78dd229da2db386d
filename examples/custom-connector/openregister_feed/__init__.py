"""A connector for Open Register: the entries of RSS 2.0 and Atom feeds."""
