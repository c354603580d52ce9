"""What every web page of ours shares: look, templates, login and the defences of a browser surface."""
