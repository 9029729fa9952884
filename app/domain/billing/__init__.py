"""Wallets, the ledger and calls: reserve, post, void, credit; and the arithmetic they rest on."""
