"""The kernels as viper source, compiled on the board: see kernels.py.

One blank deep and with short names, because this text is in the bytecode as it stands. The first
three arguments live in registers: there the loops keep what they use most. Words are used only
where both sides are aligned (an unaligned word access traps on Xtensa).

frame: `x` target, `y` source, `w` what is asked for and then the key, `n` size, `a` start.
whole: `p` position, `e` end, `o` opcode, `n` size.
move: `t` to, `f` from, `n` number of bytes.
utf8_check: `l` to `h` is the range that the next byte must be in, `u` how many are due; the
state packs them as l << 16 | h << 8 | u << 1. Four bytes of ASCII are passed over at a time.
"""

SOURCE = """
@micropython.viper
def frame(x:ptr32,y:ptr32,w:int,n:int)->int:
 b=ptr8(int(x))
 i=80
 a=w>>5
 if w&15:
  k=int(b[64])
  if k==0:
   return 0
  k-=1
  b[64]=k
  x[19]=int(x[k])
  if n<126:
   i=74
   b[75]=128|n
  else:
   i=72
   b[73]=254
   if n>65535:
    i=66
    b[67]=255
    x[17]=0
    b[72]=n>>24
    b[73]=n>>16
   b[74]=n>>8
   b[75]=n
  b[i]=128|w&15
  if w&16:
   return i
 w=int(x[19])
 x=ptr32(int(x)+80)
 y=ptr32(int(y)+a)
 e=int(x)+n
 if int(y)&3==0:
  while int(x)+32<=e:
   x[0]=int(y[0])^w
   x[1]=int(y[1])^w
   x[2]=int(y[2])^w
   x[3]=int(y[3])^w
   x[4]=int(y[4])^w
   x[5]=int(y[5])^w
   x[6]=int(y[6])^w
   x[7]=int(y[7])^w
   x=ptr32(int(x)+32)
   y=ptr32(int(y)+32)
  while int(x)+4<=e:
   x[0]=int(y[0])^w
   x=ptr32(int(x)+4)
   y=ptr32(int(y)+4)
 d=ptr8(int(x))
 s=ptr8(int(y))
 n=e-int(x)
 e=0
 while e<n:
  d[e]=int(s[e])^int(b[76+(e&3)])
  e+=1
 return i
@micropython.viper
def whole(b:ptr8,p:int,e:int)->int:
 if p+2>e:
  return 0
 o=int(b[p])-128
 n=int(b[p+1])
 p+=2
 if o!=2 and o!=1:
  return 0
 if n==126:
  if p+2>e:
   return 0
  n=int(b[p])<<8|int(b[p+1])
  p+=2
  if n<126:
   return 0
 elif n>125:
  return 0
 n=n<<2|o
 return n if p+(n>>2)<=e else 0-n
@micropython.viper
def move(b:ptr8,t:int,f:int,n:int):
 n+=f
 while f<n:
  b[t]=b[f]
  t+=1
  f+=1
@micropython.viper
def utf8_check(a,i:int,end:int,s:int)->int:
 p=int(ptr8(a))
 d=ptr8(p)
 if s==1:
  return 1
 l=s>>16
 h=s>>8&255
 u=s>>1&3
 while i<end:
  if u==0:
   while (p+i)&3 and i<end and int(d[i])<128:
    i+=1
   if (p+i)&3==0:
    while i+4<=end:
     w=ptr32(p+i)
     if int(w[0])&int(0x80808080):
      break
     i+=4
   if i>=end:
    break
   c=int(d[i])
   i+=1
   if c<128:
    continue
   if c<0xC2 or c>0xF4:
    return 1
   l=0x80
   h=0xBF
   u=1 if c<0xE0 else 2 if c<0xF0 else 3
   if c==0xE0:
    l=0xA0
   if c==0xED:
    h=0x9F
   if c==0xF0:
    l=0x90
   if c==0xF4:
    h=0x8F
  else:
   c=int(d[i])
   i+=1
   if c<l or c>h:
    return 1
   l=0x80
   h=0xBF
   u-=1
 return l<<16|h<<8|u<<1 if u else 0
"""
