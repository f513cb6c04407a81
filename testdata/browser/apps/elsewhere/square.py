# Makes square.ttf, a font that draws every letter A as a square: pip install fonttools; python3 square.py
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

pen = TTGlyphPen(None)
pen.moveTo((0, 0))
for corner in ((0, 1000), (1000, 1000), (1000, 0)):
    pen.lineTo(corner)
pen.closePath()
square = pen.glyph()

font = FontBuilder(1000, isTTF=True)
font.setupGlyphOrder(['.notdef', 'A'])
font.setupCharacterMap({ord('A'): 'A'})
font.setupGlyf({'.notdef': square, 'A': square})
font.setupHorizontalMetrics({'.notdef': (1000, 0), 'A': (1000, 0)})
font.setupHorizontalHeader(ascent=1000, descent=0)
font.setupNameTable({'familyName': 'Square', 'styleName': 'Regular'})
font.setupOS2(sTypoAscender=1000, usWinAscent=1000)
font.setupPost()
font.save('square.ttf')
