"""Files become commands, or reports of what in them cannot be one. Only parsing: nothing is sent from here."""
