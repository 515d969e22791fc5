"""Teams: the plain example, to be read first: sessions, entities, and one endpoint for each thing to do."""
