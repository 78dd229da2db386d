"""Shared by the JSON API and the pages: authentication, authorisation and error responses."""
