"""`describe`: one file a family of kinds. A describer reads an object and says it in sections; see `text.Text`."""
