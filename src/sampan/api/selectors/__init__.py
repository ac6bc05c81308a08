"""Label and field selectors: parse, match, print. Matching is compiled once, because lists and watches match a lot."""
