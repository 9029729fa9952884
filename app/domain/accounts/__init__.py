"""Users and keys: issue, claim, approve, revoke."""
