"""What every actor stands on: machines, links, pipes, mailboxes, journals and supervision. It knows nothing of SIP."""
