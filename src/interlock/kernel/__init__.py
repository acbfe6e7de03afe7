"""Words that every ring shares: errors, findings, digests, identifiers, instants."""
