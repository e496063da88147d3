"""A SIP user agent made of actors: transport, transaction, dialog, media and control, any can be killed."""
