"""The settings of connectors, as the command line and forms show them."""
