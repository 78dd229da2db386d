"""Network access below HTTP: TLS, FTP, SSH, and which hosts may be reached."""
