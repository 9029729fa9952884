"""Which domains share an owner."""

from functools import cache

import tldextract


def registrable_domain(domain: str) -> str:
    """The part of an ASCII domain that somebody registered: ``example.co.uk`` of its subdomains.

    By the public suffix list inside of the `tldextract` package, its ICANN section, so that the
    subdomains that one hoster gives away count together. An unknown suffix is one label.
    """
    found = _extractor().extract_str(domain)
    return found.top_domain_under_public_suffix or ".".join(domain.split(".")[-2:])


@cache
def _extractor() -> tldextract.TLDExtract:
    # No list to fetch and no cache folder: the snapshot in the package is the only source.
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
