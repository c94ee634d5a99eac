"""The kernels as viper source, compiled on the board: see kernels.py.

One blank deep and with short names, because this text is in the bytecode as it stands; names that
firmware images have anyway, because each other one would stay in the heap for ever. The first
three arguments live in registers: there the loops keep what they use most. Words are used only
where both sides are aligned (an unaligned word access traps on Xtensa).

frame: `t` target, `r` source, `w` what is asked for and then the key, `n` size, `off` start.
complete: `t` position, `e` end, `v` opcode, `n` size.
move: `t` to, `r` from, `n` number of bytes.
utf8_check: `min` to `max` is the range that the next byte must be in, `n` how many are due; the
state packs them as min << 16 | max << 8 | n << 1. Four bytes of ASCII are passed over at a time.
"""

SOURCE = """
@micropython.viper
def frame(t:ptr32,r:ptr32,w:int,n:int)->int:
 b=ptr8(int(t))
 z=80
 off=w>>5
 if w&15:
  key=int(b[64])
  if key==0:
   return 0
  key-=1
  b[64]=key
  t[19]=int(t[key])
  if n<126:
   z=74
   b[75]=128|n
  else:
   z=72
   b[73]=254
   if n>65535:
    z=66
    b[67]=255
    t[17]=0
    b[72]=n>>24
    b[73]=n>>16
   b[74]=n>>8
   b[75]=n
  b[z]=128|w&15
  if w&16:
   return z
 w=int(t[19])
 t=ptr32(int(t)+80)
 r=ptr32(int(r)+off)
 e=int(t)+n
 if int(r)&3==0:
  while int(t)+32<=e:
   t[0]=int(r[0])^w
   t[1]=int(r[1])^w
   t[2]=int(r[2])^w
   t[3]=int(r[3])^w
   t[4]=int(r[4])^w
   t[5]=int(r[5])^w
   t[6]=int(r[6])^w
   t[7]=int(r[7])^w
   t=ptr32(int(t)+32)
   r=ptr32(int(r)+32)
  while int(t)+4<=e:
   t[0]=int(r[0])^w
   t=ptr32(int(t)+4)
   r=ptr32(int(r)+4)
 v=ptr8(int(t))
 s=ptr8(int(r))
 n=e-int(t)
 e=0
 while e<n:
  v[e]=int(s[e])^int(b[76+(e&3)])
  e+=1
 return z
@micropython.viper
def complete(b:ptr8,t:int,e:int)->int:
 if t+2>e:
  return 0
 v=int(b[t])-128
 n=int(b[t+1])
 t+=2
 if v!=2 and v!=1:
  return 0
 if n==126:
  if t+2>e:
   return 0
  n=int(b[t])<<8|int(b[t+1])
  t+=2
  if n<126:
   return 0
 elif n>125:
  return 0
 n=n<<2|v
 return n if t+(n>>2)<=e else 0-n
@micropython.viper
def move(b:ptr8,t:int,r:int,n:int):
 n+=r
 while r<n:
  b[t]=b[r]
  t+=1
  r+=1
@micropython.viper
def utf8_check(buf,t:int,end:int,s:int)->int:
 r=int(ptr8(buf))
 b=ptr8(r)
 if s==1:
  return 1
 min=s>>16
 max=s>>8&255
 n=s>>1&3
 off=int(0x80808080)
 while t<end:
  if n==0:
   while (r+t)&3 and t<end and int(b[t])<128:
    t+=1
   if (r+t)&3==0:
    while t+4<=end:
     w=ptr32(r+t)
     if int(w[0])&off:
      break
     t+=4
   if t>=end:
    break
   v=int(b[t])
   t+=1
   if v<128:
    continue
   if v<0xC2 or v>0xF4:
    return 1
   min=0x80
   max=0xBF
   n=1 if v<0xE0 else 2 if v<0xF0 else 3
   if v==0xE0:
    min=0xA0
   if v==0xED:
    max=0x9F
   if v==0xF0:
    min=0x90
   if v==0xF4:
    max=0x8F
  else:
   v=int(b[t])
   t+=1
   if v<min or v>max:
    return 1
   min=0x80
   max=0xBF
   n-=1
 return min<<16|max<<8|n<<1 if n else 0
"""
