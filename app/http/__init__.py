"""What the JSON API and the pages share: who is asking, what they may, and how errors answer."""
