"""An answer as one HTML file that works offline: pictures, every figure as text, what it rests on."""
