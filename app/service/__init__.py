"""What only the translation service needs: one module for each concern."""
