"""Money that people bring: vouchers; later top-ups and bank lines."""
