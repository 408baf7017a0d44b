"""What only the page needs: what is chosen, where it comes from, how it is shown."""
