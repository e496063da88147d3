"""Matching messages to transactions (RFC 3261 sections 17.1.3 and 17.2.3), and the cell keys that follow from it."""

from __future__ import annotations

from hashlib import blake2b

from actors.sip.vocabulary import Head, TransactionKey

MAGIC_COOKIE = "z9hG4bK"

# A branch made by `legacy_branch` begins so; the cookie cannot.
LEGACY = "2543-"

# The journal takes keys of at most 511 bytes; a longer one (a peer may choose its branch) is replaced by its digest.
LONGEST_KEY = 400

# The methods that RFC 2543 and 17.2.3 tie to their INVITE.
_OF_AN_INVITE = frozenset({"INVITE", "ACK", "CANCEL"})


def has_cookie(branch: str) -> bool:
    """Whether the branch was made by RFC 3261 and so identifies its transaction (section 8.1.1.7)."""
    return branch.startswith(MAGIC_COOKIE) or branch[:7].lower() == "z9hg4bk"


def legacy_branch(head: Head, raw: bytes) -> str:
    """Give a request of RFC 2543 a branch made of the fields that section 17.2.3 compares.

    The Request-URI, From tag, Call-ID, CSeq number and top Via go in; so does the To tag, but for an INVITE, whose ACK
    has the tag that we answered with (the layer compares that), and whose CANCEL has none.
    """
    uri = raw.split(b" ", 2)[1]
    to_tag = "" if head.method in _OF_AN_INVITE else head.to_tag
    fields = (head.branch, head.sent_by, head.call_id, str(head.cseq), head.from_tag, to_tag)
    text = "\0".join(fields).encode("utf-8", "surrogateescape")
    return LEGACY + blake2b(uri + b"\0" + text, digest_size=16).hexdigest()


def request_key(head: Head, raw: bytes) -> TransactionKey:
    """The server transaction a request belongs to: an ACK to that of its INVITE (section 17.2.3)."""
    branch = head.branch if has_cookie(head.branch) else legacy_branch(head, raw)
    return TransactionKey(branch, head.sent_by, "INVITE" if head.method == "ACK" else head.method)


def response_key(head: Head) -> TransactionKey:
    """The client transaction a response belongs to: branch and CSeq method (section 17.1.3)."""
    return TransactionKey(head.branch, "", head.method)


def _digest(key: bytes) -> bytes:
    return key[:1] + b"#" + blake2b(key, digest_size=32).digest()


def cell_key(key: TransactionKey) -> bytes:
    """The key of a transaction's cell: ``c`` begins that of a client, ``s`` that of a server transaction."""
    branch, sent_by, method = key
    text = f"s{branch}\0{sent_by}\0{method}" if sent_by else f"c{branch}\0{method}"
    cell = text.encode("utf-8", "surrogateescape")
    return cell if len(cell) <= LONGEST_KEY else _digest(cell)


def merged_key(head: Head) -> bytes:
    """The key of the record that finds a request which came before by another way (section 8.2.2.2): ``m`` and on."""
    text = f"m{head.call_id}\0{head.from_tag}\0{head.cseq}\0{head.method}"
    key = text.encode("utf-8", "surrogateescape")
    return key if len(key) <= LONGEST_KEY else _digest(key)


def transaction_key(cell: bytes) -> TransactionKey | None:
    """The transaction a cell key belongs to; None for other cells and where only the key's digest is left."""
    if cell[1:2] == b"#":
        return None
    kind, fields = cell[:1], cell[1:].decode("utf-8", "surrogateescape").split("\0")
    if kind == b"s" and len(fields) == 3:
        return TransactionKey(*fields)
    if kind == b"c" and len(fields) == 2:
        return TransactionKey(fields[0], "", fields[1])
    return None
