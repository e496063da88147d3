"""The transaction layer: the four state machines of RFC 3261 section 17 as RFC 6026 corrects them."""
