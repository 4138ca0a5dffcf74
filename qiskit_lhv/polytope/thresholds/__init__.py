"""How much noise or loss makes a behavior local."""
