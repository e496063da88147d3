"""The API by which other processes drive the service: commands, events, clients and the command line."""
