#!/bin/sh
# Packages start their server when they are installed; in an image under construction
# that is never wanted. 101 means "forbidden", see invoke-rc.d(8).
exit 101
