"""From a window to rows in the warehouse: planning, spooling, contract, typing, receipts. Provider-neutral."""
