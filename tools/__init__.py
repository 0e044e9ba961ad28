"""Commands that tend the repository; the package never imports them."""
